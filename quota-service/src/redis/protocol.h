#pragma once

#include <hiredis/hiredis.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "redis/client.h"

// Commands and replies as they are on the wire.
namespace quota::redis {

// Appends the command that `head` and then `rest` make.
void encode(std::initializer_list<std::string_view> head, const Words& rest, std::string& to);

inline bool is_error(const redisReply& reply) { return reply.type == REDIS_REPLY_ERROR; }
inline bool is_text(const redisReply& reply) {
  return reply.type == REDIS_REPLY_STRING || reply.type == REDIS_REPLY_STATUS;
}
inline bool is_array(const redisReply& reply) { return reply.type == REDIS_REPLY_ARRAY; }
// Empty where the reply is no text.
std::string_view text_of(const redisReply& reply);

// The first word of an error, such as MOVED.
std::string_view error_code(std::string_view error);

// An error's words without the password, which a server may repeat that does not know AUTH.
std::string without_secret(std::string_view words, std::string_view secret);

// "name:value\r\n" in the text that INFO gives; empty where it is not there.
std::string_view info_field(std::string_view info, std::string_view name);

}  // namespace quota::redis
