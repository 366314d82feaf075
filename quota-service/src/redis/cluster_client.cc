#include "redis/base_client.h"

namespace quota::redis {

std::unique_ptr<Client> open_cluster(ContextPtr, ClientEvents&) { return nullptr; }

}  // namespace quota::redis
