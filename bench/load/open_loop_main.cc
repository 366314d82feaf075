// quota_open_loop: asks an HTTP server at a constant rate and says how long it took, as JSON.

#include "open_loop.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <regex>
#include <string>
#include <vector>

namespace {

double microseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000; }

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

  std::smatch parts;
  static const std::regex kUrl("http://([0-9.]+):([0-9]{1,5})(/[^ ]*)");
  if (!std::regex_match(url, parts, kUrl) || std::stoi(parts[2]) > 65535) {
    std::fprintf(stderr, "\"%s\" is not a URL such as http://127.0.0.1:8080/path\n", url.c_str());
    return 1;
  }
  options.host = parts[1];
  options.port = static_cast<uint16_t>(std::stoi(parts[2]));
  options.request = "GET " + parts[3].str() + " HTTP/1.1\r\nHost: " + options.host + "\r\n";
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
