#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <string>
#include <string_view>
#include <vector>

namespace quota::rpc {

// The bytes of a received message: in place when it is one slice, which it nearly always is.
class ReceivedBytes {
 public:
  explicit ReceivedBytes(const grpc::ByteBuffer& buffer) {
    if (buffer.TrySingleSlice(&slice_).ok()) {
      view_ = {reinterpret_cast<const char*>(slice_.begin()), slice_.size()};
      return;
    }
    std::vector<grpc::Slice> slices;
    if (!buffer.Dump(&slices).ok()) return;
    for (const grpc::Slice& slice : slices) {
      joined_.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    view_ = joined_;
  }
  std::string_view view() const { return view_; }

 private:
  grpc::Slice slice_;
  std::string joined_;
  std::string_view view_;
};

// A message to send that borrows `bytes`, which must stay as they are until the write is done.
inline grpc::ByteBuffer borrow(const std::string& bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size(), grpc::Slice::STATIC_SLICE);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace quota::rpc
