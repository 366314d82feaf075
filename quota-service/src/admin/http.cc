#include "admin/http.h"

namespace quota::admin {
namespace {

// Bytes that are not UTF-8, such as those of a hostile path, must not keep an answer from going
// out.
std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 503:
      return "Service Unavailable";
    default:
      return status < 500 ? "Bad Request" : "Internal Server Error";
  }
}

int status_of(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

Reply json_reply(const Json& json, int status) {
  return {
      .status = status, .content_type = "application/json", .body = text_of(json), .headers = {}};
}

Reply problem(int status, std::string_view detail) {
  const Json json = {{"type", "about:blank"},
                     {"title", title_of(status)},
                     {"status", status},
                     {"detail", std::string(detail)}};
  return {.status = status,
          .content_type = "application/problem+json",
          .body = text_of(json),
          .headers = {}};
}

Reply problem(const absl::Status& status) {
  return problem(status_of(status.code()), std::string(status.message()));
}

}  // namespace quota::admin
