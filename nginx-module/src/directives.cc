// How each directive is read. Every complaint names the directive and says what would be right;
// nginx adds the file and the line.
#include <initializer_list>
#include <limits>

#include "config.h"
#include "metrics_page.h"

namespace quota {
namespace {

char* const kError = static_cast<char*>(NGX_CONF_ERROR);

ngx_str_t* arguments(ngx_conf_t* cf) { return static_cast<ngx_str_t*>(cf->args->elts); }

template <typename T>
T* field_of(void* config, const ngx_command_t* command) {
  return reinterpret_cast<T*>(static_cast<char*>(config) + command->offset);
}

char* duplicate() { return const_cast<char*>("is duplicate"); }

// The values of a directive that takes one word of a few.
struct Choice {
  std::string_view name;
  ngx_uint_t value;
};

template <typename T>
constexpr ngx_uint_t number(T value) {
  return static_cast<ngx_uint_t>(value);
}

constexpr Choice kPhases[] = {
    {"preaccess", number(Phase::kPreaccess)},
    {"access", number(Phase::kAccess)},
    {"precontent", number(Phase::kPrecontent)},
    {},
};
constexpr Choice kOnErrors[] = {
    {"allow", number(OnError::kAllow)},
    {"deny", number(OnError::kDeny)},
    {"local", number(OnError::kLocal)},
    {},
};
constexpr Choice kHeaderStyles[] = {
    {"legacy", number(HeaderStyle::kLegacy)},
    {"ietf", number(HeaderStyle::kIetf)},
    {"both", number(HeaderStyle::kBoth)},
    {"off", number(HeaderStyle::kOff)},
    {},
};
constexpr Choice kLogLevels[] = {
    {"info", NGX_LOG_INFO},
    {"notice", NGX_LOG_NOTICE},
    {"warn", NGX_LOG_WARN},
    {"error", NGX_LOG_ERR},
    {},
};

char* complain_of_choice(ngx_conf_t* cf, const Choice* choices) {
  u_char list[128];
  u_char* end = list;
  for (const Choice* choice = choices; !choice->name.empty(); ++choice) {
    ngx_str_t name = ngx_text(choice->name);
    const bool last = choice[1].name.empty();
    end = ngx_slprintf(end, list + sizeof(list), "%s\"%V\"",
                       choice == choices ? "" : (last ? " or " : ", "), &name);
  }
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" must be %*s, not \"%V\"", &arguments(cf)[0],
                     static_cast<size_t>(end - list), list, &arguments(cf)[1]);
  return kError;
}

char* set_choice(ngx_conf_t* cf, ngx_command_t* command, void* config) noexcept {
  auto* field = field_of<ngx_uint_t>(config, command);
  if (*field != NGX_CONF_UNSET_UINT) return duplicate();
  const auto* choices = static_cast<const Choice*>(command->post);
  for (const Choice* choice = choices; !choice->name.empty(); ++choice) {
    if (choice->name == view(arguments(cf)[1])) {
      *field = choice->value;
      return NGX_CONF_OK;
    }
  }
  return complain_of_choice(cf, choices);
}

char* set_flag(ngx_conf_t* cf, ngx_command_t* command, void* config) noexcept {
  auto* field = field_of<ngx_flag_t>(config, command);
  if (*field != NGX_CONF_UNSET) return duplicate();
  const std::string_view value = view(arguments(cf)[1]);
  if (value != "on" && value != "off") {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" must be \"on\" or \"off\", not \"%V\"",
                       &arguments(cf)[0], &arguments(cf)[1]);
    return kError;
  }
  *field = value == "on" ? 1 : 0;
  return NGX_CONF_OK;
}

char* set_pass(ngx_conf_t* cf, ngx_command_t*, void* config) noexcept {
  auto* main = static_cast<MainConfig*>(config);
  if (main->address_count != 0) return duplicate();

  ngx_url_t url{};
  url.url = arguments(cf)[1];
  const ngx_int_t rc = ngx_parse_url(cf->pool, &url);
  const char* problem = nullptr;
  if (rc != NGX_OK) {
    problem = url.err ? url.err : "not an address";
  } else if (url.no_port) {
    problem = "no port";
  }
  if (problem != nullptr) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "%s in \"quota_pass %V\"; write \"quota_pass unix:/path\" or "
                       "\"quota_pass host:port\"",
                       problem, &arguments(cf)[1]);
    return kError;
  }
  main->addresses = url.addrs;
  main->address_count = url.naddrs;
  return NGX_CONF_OK;
}

char* set_attribute(ngx_conf_t* cf, ngx_command_t*, void* config) noexcept {
  auto* location = static_cast<LocationConfig*>(config);
  const ngx_str_t name = arguments(cf)[1];
  if (!is_attribute_name(view(name))) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota_attribute\" needs a name of up to 64 letters, digits, \"_\", "
                       "\"-\" and \".\", not \"%V\"",
                       &name);
    return kError;
  }
  if (location->attribute_list == nullptr) {
    location->attribute_list = ngx_array_create(cf->pool, 4, sizeof(Attribute*));
    if (location->attribute_list == nullptr) return kError;
  }
  for (const Attribute* other : location->attributes()) {
    if (other->name() == view(name)) {
      ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                         "\"quota_attribute %V\" is duplicate; a block may set each name once",
                         &name);
      return kError;
    }
  }
  if (location->attributes().size() == kMaxAttributes) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota_attribute %V\" is one too many; a block may set %uz", &name,
                       kMaxAttributes);
    return kError;
  }
  Attribute* attribute = Attribute::create(cf, name, arguments(cf)[2]);
  auto* place = static_cast<Attribute**>(ngx_array_push(location->attribute_list));
  if (attribute == nullptr || place == nullptr) return kError;
  *place = attribute;
  return NGX_CONF_OK;
}

char* set_timeout(ngx_conf_t* cf, ngx_command_t*, void* config) noexcept {
  auto* location = static_cast<LocationConfig*>(config);
  if (location->timeout != NGX_CONF_UNSET_MSEC) return duplicate();
  constexpr ngx_int_t kLongest = 60 * 1000;
  const ngx_int_t timeout = ngx_parse_time(&arguments(cf)[1], 0);
  if (timeout == NGX_ERROR || timeout == 0 || timeout > kLongest) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota_timeout\" must be a time from 1ms to 60s such as \"20ms\", not "
                       "\"%V\"",
                       &arguments(cf)[1]);
    return kError;
  }
  location->timeout = static_cast<ngx_msec_t>(timeout);
  return NGX_CONF_OK;
}

char* set_status(ngx_conf_t* cf, ngx_command_t*, void* config) noexcept {
  auto* location = static_cast<LocationConfig*>(config);
  if (location->status != NGX_CONF_UNSET_UINT) return duplicate();
  const ngx_int_t status = ngx_atoi(arguments(cf)[1].data, arguments(cf)[1].len);
  if (status < 400 || status > 599) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota_status\" must be a status from 400 to 599 such as 429, not \"%V\"",
                       &arguments(cf)[1]);
    return kError;
  }
  location->status = static_cast<ngx_uint_t>(status);
  return NGX_CONF_OK;
}

// `rate=30r/m`; a count of 0 when the text says something else.
Rate parse_rate(std::string_view text) {
  constexpr std::string_view kKey = "rate=";
  constexpr ngx_int_t kHighest = 1'000'000;
  constexpr uint64_t kSecondUs = 1'000'000;
  if (!text.starts_with(kKey)) return {};
  text.remove_prefix(kKey.size());
  const bool per_second = text.ends_with("r/s");
  if (!per_second && !text.ends_with("r/m")) return {};
  text.remove_suffix(3);
  const ngx_int_t count = ngx_atoi(ngx_text(text).data, text.size());
  if (count <= 0 || count > kHighest) return {};
  return {static_cast<uint64_t>(count), per_second ? kSecondUs : 60 * kSecondUs};
}

char* set_local_zone(ngx_conf_t* cf, ngx_command_t*, void* config) noexcept {
  auto* main = static_cast<MainConfig*>(config);
  if (main->local != nullptr) {
    return const_cast<char*>("is duplicate; one zone serves the whole http block");
  }
  const std::string_view zone = view(arguments(cf)[1]);
  const size_t colon = zone.find(':');
  ngx_str_t size_text{};
  if (colon != std::string_view::npos) size_text = ngx_text(zone.substr(colon + 1));
  const ssize_t size = size_text.len != 0 ? ngx_parse_size(&size_text) : NGX_ERROR;
  if (colon == 0 || size == NGX_ERROR) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota_local_zone\" needs a name and a size such as \"quota:10m\", not "
                       "\"%V\"",
                       &arguments(cf)[1]);
    return kError;
  }
  // nginx's slab allocator takes eight pages as the least a zone may have.
  const size_t smallest = ngx_max(LocalLimit::min_zone_size(), 8 * ngx_pagesize);
  if (static_cast<size_t>(size) < smallest) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota_local_zone %V\" is too small; it needs at least %uzk",
                       &arguments(cf)[1], smallest / 1024);
    return kError;
  }
  const Rate rate = parse_rate(view(arguments(cf)[2]));
  if (rate.count == 0) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"quota_local_zone\" needs a rate from 1 to 1000000 such as "
                       "\"rate=30r/m\" or \"rate=5r/s\", not \"%V\"",
                       &arguments(cf)[2]);
    return kError;
  }
  main->local =
      LocalLimit::create(cf, ngx_text(zone.substr(0, colon)), static_cast<size_t>(size), rate);
  return main->local != nullptr ? NGX_CONF_OK : kError;
}

char* set_metrics(ngx_conf_t* cf, ngx_command_t*, void* config) noexcept {
  static_cast<LocationConfig*>(config)->is_metrics_page = true;
  auto* core = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  core->handler = metrics_page;
  return NGX_CONF_OK;
}

constexpr ngx_uint_t kAnywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

constexpr ngx_command_t main_command(ngx_str_t name, ngx_uint_t arity,
                                     decltype(ngx_command_t::set) set, ngx_uint_t offset) {
  return {name, NGX_HTTP_MAIN_CONF | arity, set, NGX_HTTP_MAIN_CONF_OFFSET, offset, nullptr};
}

ngx_command_t location_command(ngx_str_t name, ngx_uint_t arity, decltype(ngx_command_t::set) set,
                               ngx_uint_t offset, const Choice* choices = nullptr) {
  return {name,   kAnywhere | arity,           set, NGX_HTTP_LOC_CONF_OFFSET,
          offset, const_cast<Choice*>(choices)};
}

}  // namespace

ngx_command_t commands[] = {
    main_command(ngx_string("quota_pass"), NGX_CONF_TAKE1, set_pass, 0),
    main_command(ngx_string("quota_local_zone"), NGX_CONF_TAKE2, set_local_zone, 0),
    main_command(ngx_string("quota_malloc_tuning"), NGX_CONF_TAKE1, set_flag,
                 offsetof(MainConfig, malloc_tuning)),
    location_command(ngx_string("quota"), NGX_CONF_TAKE1, set_flag,
                     offsetof(LocationConfig, enabled)),
    location_command(ngx_string("quota_attribute"), NGX_CONF_TAKE2, set_attribute, 0),
    location_command(ngx_string("quota_phase"), NGX_CONF_TAKE1, set_choice,
                     offsetof(LocationConfig, phase_choice), kPhases),
    location_command(ngx_string("quota_timeout"), NGX_CONF_TAKE1, set_timeout, 0),
    location_command(ngx_string("quota_on_error"), NGX_CONF_TAKE1, set_choice,
                     offsetof(LocationConfig, on_error_choice), kOnErrors),
    location_command(ngx_string("quota_status"), NGX_CONF_TAKE1, set_status, 0),
    location_command(ngx_string("quota_headers"), NGX_CONF_TAKE1, set_choice,
                     offsetof(LocationConfig, headers_choice), kHeaderStyles),
    location_command(ngx_string("quota_body"), NGX_CONF_TAKE1, set_flag,
                     offsetof(LocationConfig, body)),
    location_command(ngx_string("quota_dry_run"), NGX_CONF_TAKE1, set_flag,
                     offsetof(LocationConfig, dry_run)),
    location_command(ngx_string("quota_log_level"), NGX_CONF_TAKE1, set_choice,
                     offsetof(LocationConfig, log_level), kLogLevels),
    {ngx_string("quota_metrics"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_metrics,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    ngx_null_command,
};

}  // namespace quota
