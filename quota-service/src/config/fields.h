#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "config/settings.h"

namespace quota::config {

// One setting, as the file, the environment and the flags all see it.
struct Field {
  std::string_view name;   // in quotad.yaml
  std::string_view group;  // in --help
  std::string_view value;  // what --help calls its value
  std::string_view help;
  std::variant<std::string Settings::*, int Settings::*, int64_t Settings::*, double Settings::*>
      member;
  int64_t least = 0;  // of a number
  int64_t most = 0;
  absl::Status (*check)(const std::string& text) = nullptr;  // of a text
};

std::span<const Field> fields();
const Field* find_field(std::string_view name);

std::string flag_of(const Field& field);      // --admin-listen
std::string variable_of(const Field& field);  // QUOTAD_ADMIN_LISTEN

// Sets the field from text. The error says what is wrong but not where: the source knows that.
absl::Status assign(const Field& field, const std::string& text, Settings& settings);
std::string to_text(const Field& field, const Settings& settings);

}  // namespace quota::config
