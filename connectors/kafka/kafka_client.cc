#include "connectors/kafka/kafka_client.h"

#include <syslog.h>

#include <algorithm>
#include <array>

#include "base/logging.h"

namespace eagre {
namespace {

constexpr size_t kErrorBytes = 512;

// What a user can do about an error; "" when there is nothing to say beyond the reason.
std::string_view AdviceFor(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return "create the topic, or correct its name; the user also needs the right to Describe it";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return "the user of this connection lacks the right to Read, Write or Describe the topic: grant it with "
             "kafka-acls.sh, or connect as another user (sasl.username)";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return "the user of this connection lacks the right to Read the consumer group: grant it, or set another "
             "group.id";
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return "the user of this connection lacks the right to Write and Describe the transactional id: grant it for the "
             "prefix";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return "the user of this connection lacks a right on the cluster (IdempotentWrite or Create): grant it";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return "check security.protocol, sasl.mechanism, sasl.username and sasl.password";
    case RD_KAFKA_RESP_ERR__SSL: return "check security.protocol and ssl.ca.location";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return "make the record smaller, or raise max.message.bytes of the topic and message.max.bytes of this "
             "connection";
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
      return "no broker has acknowledged it within message.timeout.ms; check that the cluster is up and reachable";
    default: return "";
  }
}

absl::StatusCode CodeFor(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return absl::StatusCode::kNotFound;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return absl::StatusCode::kPermissionDenied;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return absl::StatusCode::kUnauthenticated;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return absl::StatusCode::kInvalidArgument;
    default: return absl::StatusCode::kUnavailable;
  }
}

class ConfGuard {
 public:
  ConfGuard() : conf_(rd_kafka_conf_new()) {}
  ~ConfGuard() {
    if (conf_ != nullptr) rd_kafka_conf_destroy(conf_);
  }
  ConfGuard(const ConfGuard&) = delete;
  ConfGuard& operator=(const ConfGuard&) = delete;
  rd_kafka_conf_t* get() { return conf_; }
  void Release() { conf_ = nullptr; }

 private:
  rd_kafka_conf_t* conf_;
};

Status SetProperty(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, kErrorBytes> error{};
  switch (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size())) {
    case RD_KAFKA_CONF_OK: return OkStatus();
    case RD_KAFKA_CONF_UNKNOWN:
      return InvalidArgument(
          "'{}' is no setting of the Kafka client; see CONFIGURATION.md of librdkafka {} (its names differ from the "
          "Java "
          "client's in places)",
          name, rd_kafka_version_str());
    case RD_KAFKA_CONF_INVALID: break;
  }
  // librdkafka's text repeats the value.
  if (IsSecretKafkaProperty(name)) return InvalidArgument("the value of the Kafka setting '{}' is not accepted", name);
  return InvalidArgument("Kafka setting '{}': {}", name, error.data());
}

}  // namespace

std::string KafkaPropertyName(std::string_view name) {
  constexpr std::string_view kPrefix = "properties.";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return std::string(name);
}

bool IsSecretKafkaProperty(std::string_view name) {
  constexpr std::array<std::string_view, 6> kMarks = {"password", "secret",      "credential",
                                                      "jaas",     "oauthbearer", ".key.pem"};
  return std::any_of(kMarks.begin(), kMarks.end(),
                     [&](std::string_view mark) { return name.find(mark) != std::string_view::npos; });
}

StatusOr<std::unique_ptr<KafkaClient>> KafkaClient::Create(rd_kafka_type_t type, Options options) {
  std::unique_ptr<KafkaClient> client(new KafkaClient(std::move(options)));
  EAGRE_RETURN_IF_ERROR(client->Open(type));
  return client;
}

Status KafkaClient::Open(rd_kafka_type_t type) {
  const auto servers = options_.properties.find("bootstrap.servers");
  if (servers == options_.properties.end() || servers->second.empty()) {
    return InvalidArgument("no Kafka brokers are given: the first argument is \"host:port,host:port\"");
  }
  bootstrap_ = servers->second;
  ConfGuard conf;
  EAGRE_RETURN_IF_ERROR(SetProperty(conf.get(), "log.connection.close", "false"));
  for (const auto& [name, value] : options_.defaults) EAGRE_RETURN_IF_ERROR(SetProperty(conf.get(), name, value));
  for (const auto& [name, value] : options_.properties) {
    const auto fixed = options_.fixed.find(name);
    if (fixed != options_.fixed.end() && fixed->second != value) {
      return InvalidArgument("the Kafka setting '{}' is Eagre's own here: it must be '{}'; leave it away", name,
                             fixed->second);
    }
    EAGRE_RETURN_IF_ERROR(SetProperty(conf.get(), name, value));
  }
  for (const auto& [name, value] : options_.fixed) EAGRE_RETURN_IF_ERROR(SetProperty(conf.get(), name, value));
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_log_cb(conf.get(), &KafkaClient::OnLog);
  if (options_.on_event) {
    rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    rd_kafka_conf_set_background_event_cb(conf.get(), &KafkaClient::OnEvent);
  } else {
    rd_kafka_conf_set_error_cb(conf.get(), &KafkaClient::OnError);
  }
  std::array<char, kErrorBytes> error{};
  handle_ = rd_kafka_new(type, conf.get(), error.data(), error.size());
  if (handle_ == nullptr) return InvalidArgument("the Kafka client cannot be made: {}", error.data());
  conf.Release();
  if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(handle_);
  if (options_.on_event) {
    // Without this the thread serves a queue of its own, which nothing comes to.
    rd_kafka_queue_t* main = rd_kafka_queue_get_main(handle_);
    rd_kafka_queue_t* background = rd_kafka_queue_get_background(handle_);
    rd_kafka_queue_forward(main, background);
    rd_kafka_queue_destroy(background);
    rd_kafka_queue_destroy(main);
  }
  return OkStatus();
}

KafkaClient::~KafkaClient() {
  if (handle_ == nullptr) return;
  if (rd_kafka_type(handle_) == RD_KAFKA_PRODUCER) {
    rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  }
  rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

std::string KafkaClient::last_error() const {
  std::lock_guard lock(mutex_);
  return last_error_;
}

bool KafkaClient::refused() const {
  std::lock_guard lock(mutex_);
  return refused_;
}

void KafkaClient::OnLog(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  const auto* client = handle == nullptr ? nullptr : static_cast<const KafkaClient*>(rd_kafka_opaque(handle));
  const std::string_view purpose = client == nullptr ? "client" : std::string_view(client->options_.purpose);
  const LogLevel to = level <= LOG_WARNING ? LogLevel::kWarn : level <= LOG_INFO ? LogLevel::kInfo : LogLevel::kDebug;
  EAGRE_LOG(to, "Kafka, {}: {}: {}", purpose, facility, text);
}

void KafkaClient::OnError(rd_kafka_t*, int code, const char* reason, void* opaque) {
  static_cast<KafkaClient*>(opaque)->NoteError(static_cast<rd_kafka_resp_err_t>(code), reason);
}

void KafkaClient::OnEvent(rd_kafka_t*, rd_kafka_event_t* event, void* opaque) {
  auto* client = static_cast<KafkaClient*>(opaque);
  if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
    client->NoteError(rd_kafka_event_error(event), rd_kafka_event_error_string(event));
  }
  client->options_.on_event(event);
  rd_kafka_event_destroy(event);
}

void KafkaClient::NoteError(rd_kafka_resp_err_t code, std::string_view reason) {
  std::lock_guard lock(mutex_);
  // That all brokers are down says less than why the last of them is.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !last_error_.empty()) return;
  last_error_ = reason;
  refused_ =
      refused_ || code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

Status KafkaError(rd_kafka_resp_err_t code, std::string_view what, std::string_view reason) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return OkStatus();
  const std::string_view advice = AdviceFor(code);
  return MakeStatus(CodeFor(code),
                    fmt::format("{}: {} ({}){}{}", what, reason.empty() ? rd_kafka_err2str(code) : reason,
                                rd_kafka_err2name(code), advice.empty() ? "" : "; ", advice));
}

Status KafkaError(rd_kafka_error_t* error, std::string_view what) {
  if (error == nullptr) return OkStatus();
  const Status status = KafkaError(rd_kafka_error_code(error), what, rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return status;
}

bool IsPermanent(rd_kafka_resp_err_t code) {
  return CodeFor(code) != absl::StatusCode::kUnavailable;
}

KafkaList NewKafkaList(size_t capacity) {
  return KafkaList(rd_kafka_topic_partition_list_new(static_cast<int>(capacity)));
}

}  // namespace eagre
