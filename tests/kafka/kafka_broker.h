// A real Apache Kafka for the tests of one binary: started with the first test, restarted by tests that want it gone
// for a while, stopped behind the last. Its data are in a folder of its own, which is removed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/cluster/child_process.h"

namespace eagre {

struct TestMessage {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::map<std::string, std::string> headers;
  int64_t timestamp_ms = -1;
  int32_t partition = -1;
  int64_t offset = -1;
};

// All calls wait until Kafka has done what they say, and fail the test when it does not.
class KafkaBroker {
 public:
  KafkaBroker();
  ~KafkaBroker();

  const std::string& bootstrap() const { return bootstrap_; }
  // The listener with TLS and SASL/SCRAM: user alice, password alice-secret.
  const std::string& secure_bootstrap() const { return secure_bootstrap_; }
  std::string certificate() const { return directory_ + "/tls/ca.pem"; }

  void Kill();  // SIGKILL
  void Start();

  // A name that no other topic has.
  static std::string NewName(const std::string& prefix);
  void CreateTopic(const std::string& topic, int partitions, const std::map<std::string, std::string>& config = {});
  std::string NewTopic(int partitions, const std::map<std::string, std::string>& config = {});
  void DeleteTopic(const std::string& topic);
  void AddPartitions(const std::string& topic, int partitions);
  void DeleteRecordsBefore(const std::string& topic, int32_t partition, int64_t offset);
  void DenyWrite(const std::string& user, const std::string& topic);
  void DenyRead(const std::string& user, const std::string& topic);

  void Produce(const std::string& topic, const std::vector<TestMessage>& messages);
  // {"id":<i>,"key":<i % keys>} with i from `from` to below `to`, by i modulo partitions.
  void ProduceNumbers(const std::string& topic, int partitions, int64_t from, int64_t to, int64_t keys = 10);
  // What a consumer that reads up to the end as it is now sees, by partition and offset. `committed`: only what is
  // committed, and then the end of that.
  std::vector<TestMessage> Consume(const std::string& topic, bool committed = true);
  // The offset that the group has committed; -1 when none.
  int64_t CommittedOffset(const std::string& group, const std::string& topic, int32_t partition);
  void CommitOffset(const std::string& group, const std::string& topic, int32_t partition, int64_t offset);
  // A transaction that is begun and not ended stands in the way of those who read only what is committed.
  bool HasOpenTransaction(const std::string& topic);

 private:
  std::string directory_;
  std::string bootstrap_;
  std::string secure_bootstrap_;
  std::unique_ptr<ChildProcess> process_;
};

// The one of this binary.
KafkaBroker& Broker();

}  // namespace eagre
