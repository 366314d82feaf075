#include "answer_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace quota::load {
namespace {

using State = AnswerReader::State;

constexpr std::string_view kAnswer =
    "HTTP/1.1 429 Too Many Requests\r\nServer: x\r\ncontent-LENGTH:  5\r\n\r\nhello";

TEST(AnswerReader, ReadsAnAnswerInOnePiece) {
  AnswerReader reader;
  EXPECT_EQ(reader.feed(kAnswer), State::kDone);
  EXPECT_EQ(reader.status(), 429);
}

TEST(AnswerReader, ReadsAnAnswerByteByByteAndThenAnother) {
  AnswerReader reader;
  for (int turn = 0; turn < 2; ++turn) {
    for (size_t i = 0; i + 1 < kAnswer.size(); ++i) {
      ASSERT_EQ(reader.feed(kAnswer.substr(i, 1)), State::kMore) << i;
    }
    EXPECT_EQ(reader.feed(kAnswer.substr(kAnswer.size() - 1)), State::kDone);
    reader.clear();
  }
}

TEST(AnswerReader, NeedsNoLengthWhereThereIsNoBody) {
  AnswerReader reader;
  EXPECT_EQ(reader.feed("HTTP/1.1 204 No Content\r\n\r\n"), State::kDone);
  EXPECT_EQ(reader.status(), 204);
}

TEST(AnswerReader, RefusesWhatItCannotFindTheEndOf) {
  for (const std::string_view text :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"}) {
    AnswerReader reader;
    EXPECT_EQ(reader.feed(text), State::kBroken) << text;
  }
}

TEST(AnswerReader, RefusesAHeadWithoutEnd) {
  AnswerReader reader;
  EXPECT_EQ(reader.feed(std::string(20000, 'a')), State::kBroken);
}

}  // namespace
}  // namespace quota::load
