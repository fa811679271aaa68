/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A C++ program that keeps its own main and its own threads, and has tuza
 * inside: a word counter. std::threads of the program read the files and hand
 * pieces of text to goroutines over a channel; the goroutines count.
 *
 *     embed [-t THREADS] FILE...      lines, words and bytes of all files
 *
 * What to look at: tuza::runtime (start and stop, paired by scope), channels
 * of std::string, and that a std::thread blocks on a channel like any
 * goroutine does.
 */
#include <tuza.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace
{

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
    tuza::chan<std::string> pieces{8};
    tuza::chan<Count> counts{0};
};

bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A goroutine: pieces are whole lines, so no word is in two of them. */
void count(const Shared &shared)
{
    Count total;
    for (auto piece : shared.pieces) {
        bool in_word = false;
        for (char c : piece) {
            total.lines += c == '\n';
            total.words += !is_space(c) && !in_word;
            in_word = !is_space(c);
        }
        total.bytes += piece.size();
    }
    shared.counts.send(total);
}

/* A thread of the program's. */
void read_file(const Shared &shared, const std::string &path)
{
    auto fail = [&path] { throw std::runtime_error(path + ": " + std::strerror(errno)); };
    std::ifstream file(path, std::ios::binary);
    if (!file)
        fail();
    std::string piece;
    for (std::string line; std::getline(file, line);) {
        piece += line;
        if (!file.eof())
            piece += '\n';
        if (piece.size() > 64 * 1024) {
            shared.pieces.send(std::move(piece));
            piece.clear();
        }
    }
    if (file.bad()) /* not at its end: a directory, say, can be opened but not read */
        fail();
    shared.pieces.send(std::move(piece));
}

Count count_files(const std::vector<std::string> &paths, std::size_t readers)
{
    Shared shared;
    int counters = 0, err = 0;
    while (counters < 4 && (err = tuza::try_go([shared] { count(shared); })) == 0)
        counters++;
    if (counters == 0) /* else fewer will do */
        throw std::system_error(-err, std::generic_category(), "no goroutine");

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
        total += shared.counts.recv().value();
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
        tuza_options options{};
        options.flags = TUZA_NO_SIGNALS; /* the program's handlers are its own */
        tuza::runtime runtime(&options);
        Count total = count_files(paths, readers);
        std::printf("%lu %lu %lu\n", total.lines, total.words, total.bytes);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "embed: %s\n", e.what());
        return 1;
    }
    return 0;
}
