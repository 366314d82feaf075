#include "telemetry/logging.h"

#include <spdlog/details/log_msg.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

namespace quota::telemetry {
namespace {

// The name of the logger whose lines are objects already, in JSON.
constexpr const char* kWithFields = "fields";

std::string text_of(const nlohmann::ordered_json& json) {
  // A byte that is no UTF-8 is replaced, never a reason to lose the line.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override {
    const auto level = spdlog::level::to_string_view(line.level);
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(line.time.time_since_epoch());
    nlohmann::ordered_json object = {{"time_unix_ms", ms.count()},
                                     {"level", std::string(level.data(), level.size())}};
    std::string text;
    if (line.logger_name == kWithFields) {
      text = text_of(object);
      text.back() = ',';
      text.append(line.payload.data() + 1, line.payload.size() - 1);
    } else {
      object["message"] = std::string(line.payload.data(), line.payload.size());
      text = text_of(object);
    }
    text += '\n';
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

bool is_plain(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < '\x7f' && c != '"' && c != '=' && c != '\\';
  });
}

}  // namespace

void set_up_logging(const std::string& level, const std::string& format) {
  const auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  const auto prepare = [&](const std::string& name) {
    auto logger = std::make_shared<spdlog::logger>(name, sink);
    logger->set_level(spdlog::level::from_str(level));
    logger->flush_on(spdlog::level::trace);
    return logger;
  };
  spdlog::set_default_logger(prepare("quotad"));
  spdlog::drop(kWithFields);
  if (format == "json") {
    spdlog::register_logger(prepare(kWithFields));
    sink->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    sink->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  }
}

std::string fields_text(const nlohmann::ordered_json& fields) {
  std::string text;
  for (const auto& [name, value] : fields.items()) {
    if (!text.empty()) text += ' ';
    const bool is_bare = value.is_string() && is_plain(value.get_ref<const std::string&>());
    text += name + "=" + (is_bare ? value.get<std::string>() : text_of(value));
  }
  return text;
}

void log_with_fields(spdlog::level::level_enum level, std::string_view message,
                     const nlohmann::ordered_json& fields) {
  if (!spdlog::should_log(level)) return;
  if (const auto json = spdlog::get(kWithFields)) {
    nlohmann::ordered_json line = {{"message", std::string(message)}};
    line.update(fields);
    json->log(level, "{}", text_of(line));
  } else {
    spdlog::log(level, "{}: {}", std::string(message), fields_text(fields));
  }
}

}  // namespace quota::telemetry
