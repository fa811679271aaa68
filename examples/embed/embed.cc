/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A C++ program that keeps its own main and its own threads, and has tuza
 * inside: a word counter. std::threads of the program read the files and hand
 * pieces of text to goroutines over a channel; the goroutines count.
 *
 *     embed [-t THREADS] FILE...      lines, words and bytes of all files
 *
 * What to look at: Runtime (start and stop, paired by scope), Channel (a
 * reference for as long as the object lives), and that a std::thread blocks
 * on a channel like any goroutine does.
 */
#include <tuza.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace
{

/* The runtime for as long as the object lives: when it goes, no goroutine and no thread of tuza's is left. */
class Runtime
{
  public:
    Runtime()
    {
        tuza_options options{};
        options.flags = TUZA_NO_SIGNALS; /* the program's handlers are its own */
        if (int err = tuza_start(&options); err < 0)
            throw std::runtime_error(std::string("tuza_start: ") + std::strerror(-err));
    }
    ~Runtime()
    {
        tuza_stop(0);
    }
    Runtime(const Runtime &) = delete;
    Runtime &operator=(const Runtime &) = delete;
};

/* A channel of pointers; who receives one owns what it points to. */
template <typename T> class Channel
{
  public:
    explicit Channel(std::size_t capacity) : c(tuza_chan_make(sizeof(T *), capacity))
    {
    }
    ~Channel()
    {
        tuza_chan_unref(c);
    }
    Channel(const Channel &) = delete;
    Channel &operator=(const Channel &) = delete;

    void send(std::unique_ptr<T> value)
    {
        T *raw = value.release();
        tuza_chan_send(c, &raw);
    }
    /* Null: closed and drained. */
    std::unique_ptr<T> recv()
    {
        T *raw = nullptr;
        tuza_chan_recv(c, &raw);
        return std::unique_ptr<T>(raw);
    }
    void close()
    {
        tuza_chan_close(c);
    }

  private:
    tuza_chan *c;
};

struct Count {
    unsigned long lines = 0, words = 0, bytes = 0;

    Count &operator+=(const Count &o)
    {
        lines += o.lines;
        words += o.words;
        bytes += o.bytes;
        return *this;
    }
};

struct Shared {
    Channel<std::string> pieces{8};
    Channel<Count> counts{0};
};

bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A goroutine: pieces are whole lines, so no word is in two of them. */
void count(void *arg)
{
    auto *shared = static_cast<Shared *>(arg);
    auto total = std::make_unique<Count>();
    while (auto piece = shared->pieces.recv()) {
        bool in_word = false;
        for (char c : *piece) {
            total->lines += c == '\n';
            total->words += !is_space(c) && !in_word;
            in_word = !is_space(c);
        }
        total->bytes += piece->size();
    }
    shared->counts.send(std::move(total));
}

/* A thread of the program's. */
void read_file(Shared &shared, const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error(path + ": " + std::strerror(errno));
    auto piece = std::make_unique<std::string>();
    for (std::string line; std::getline(file, line);) {
        *piece += line;
        if (!file.eof())
            *piece += '\n';
        if (piece->size() > 64 * 1024) {
            shared.pieces.send(std::move(piece));
            piece = std::make_unique<std::string>();
        }
    }
    shared.pieces.send(std::move(piece));
}

Count count_files(const std::vector<std::string> &paths, std::size_t readers)
{
    Shared shared;
    int counters = 0, err = 0;
    while (counters < 4 && (err = tuza_go(count, &shared)) == 0)
        counters++;
    if (counters == 0) /* else fewer will do */
        throw std::runtime_error(std::string("tuza_go: ") + std::strerror(-err));

    std::vector<std::exception_ptr> failures(readers);
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < readers; r++)
        threads.emplace_back([&, r] {
            try {
                for (std::size_t i = r; i < paths.size(); i += readers)
                    read_file(shared, paths[i]);
            } catch (...) {
                failures[r] = std::current_exception();
            }
        });
    for (auto &t : threads)
        t.join();
    shared.pieces.close();

    Count total;
    for (int i = 0; i < counters; i++)
        total += *shared.counts.recv();
    for (auto &failure : failures)
        if (failure)
            std::rethrow_exception(failure);
    return total;
}

} // namespace

int main(int argc, char **argv)
{
    std::vector<std::string> paths(argv + 1, argv + argc);
    std::size_t readers = 2;
    if (paths.size() >= 2 && paths[0] == "-t") {
        readers = std::strtoul(paths[1].c_str(), nullptr, 10);
        paths.erase(paths.begin(), paths.begin() + 2);
    }
    if (paths.empty() || readers == 0 || readers > 1000) {
        std::fprintf(stderr, "usage: embed [-t THREADS] FILE...\n");
        return 2;
    }
    try {
        Runtime runtime;
        Count total = count_files(paths, readers);
        std::printf("%lu %lu %lu\n", total.lines, total.words, total.bytes);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "embed: %s\n", e.what());
        return 1;
    }
    return 0;
}
