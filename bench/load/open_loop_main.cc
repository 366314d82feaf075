// quota_open_loop: asks an HTTP server at a constant rate and says how long it took, as JSON.

#include "open_loop.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

double microseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000; }

// http://ADDRESS:PORT/PATH, and nothing else.
bool split_url(std::string_view url, std::string& host, uint16_t& port, std::string& path) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  const size_t colon = url.find_first_not_of("0123456789.");
  if (colon == 0 || colon == std::string_view::npos || url[colon] != ':') return false;
  const auto [rest, error] = std::from_chars(url.data() + colon + 1, url.data() + url.size(), port);
  path = std::string(rest, url.data() + url.size());
  host = std::string(url.substr(0, colon));
  return error == std::errc() && path.starts_with('/') && path.find(' ') == std::string::npos;
}

void print(const quota::load::OpenLoopOptions& options, const quota::load::OpenLoopResult& result) {
  const auto& latency = result.latency;
  const auto answered = static_cast<double>(result.requests - result.unanswered);
  const nlohmann::json json = {
      {"requests", result.requests},
      {"rate_asked", options.rate},
      {"rate_reached", answered / result.seconds},
      {"errors", result.errors},
      {"not_2xx", result.not_2xx},
      {"unanswered", result.unanswered},
      {"p50_us", microseconds(latency.quantile(0.5))},
      {"p99_us", microseconds(latency.quantile(0.99))},
      {"p99_9_us", microseconds(latency.quantile(0.999))},
      {"max_us", microseconds(latency.max())},
      {"own_lateness_p99_us", microseconds(result.lateness.quantile(0.99))},
  };
  std::puts(json.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Asks an HTTP server at a constant rate, whether or not it answers, and measures "
      "from the time at which each request should have been sent.");
  quota::load::OpenLoopOptions options;
  std::string url;
  std::vector<std::string> headers;
  app.add_option("url", url, "http://127.0.0.1:port/path")->required();
  app.add_option("--rate", options.rate, "requests a second")->check(CLI::Range(1.0, 1e6));
  app.add_option("--seconds", options.seconds, "for how long")->check(CLI::Range(0.01, 3600.0));
  app.add_option("--connections", options.connections, "kept alive")->check(CLI::Range(1, 10000));
  app.add_flag("--spin", options.spin, "never sleep: only for a core that nobody else wants");
  app.add_option("--header", headers, "\"Name: value\" of a header to send; repeatable");
  CLI11_PARSE(app, argc, argv);

  std::string path;
  if (!split_url(url, options.host, options.port, path)) {
    std::fprintf(stderr, "\"%s\" is not a URL such as http://127.0.0.1:8080/path\n", url.c_str());
    return 1;
  }
  options.request = "GET " + path + " HTTP/1.1\r\nHost: " + options.host + "\r\n";
  for (const std::string& header : headers) {
    options.request += header + "\r\n";
  }
  options.request += "\r\n";

  const auto result = quota::load::run_open_loop(options);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", std::string(result.status().message()).c_str());
    return 1;
  }
  print(options, *result);
}
