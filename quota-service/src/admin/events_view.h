#pragma once

#include "admin/http.h"
#include "events/history.h"
#include "events/renderer.h"

namespace quota::admin {

// GET /v1/events: the newest events, and those after a number.
class EventsView {
 public:
  EventsView(const events::History& history, const events::Renderer& renderer)
      : history_(history), renderer_(renderer) {}

  Reply get(const Request& request) const;

 private:
  const events::History& history_;
  const events::Renderer& renderer_;
};

}  // namespace quota::admin
