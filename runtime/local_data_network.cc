#include "runtime/local_data_network.h"

namespace eagre {
namespace {

class LocalDataNetwork final : public DataNetwork {
 public:
  StatusOr<std::string> Listen(const std::string&, AcceptHandler) override { return std::string("in-process"); }
  std::unique_ptr<DataConnection> Connect(const std::string& address, const DataHello&,
                                          DataHandlers handlers) override {
    handlers.on_closed(Internal("a worker without peers was asked to connect to {}", address));
    return nullptr;
  }
  void Stop() override {}
};

}  // namespace

std::unique_ptr<DataNetwork> NewLocalDataNetwork() {
  return std::make_unique<LocalDataNetwork>();
}

}  // namespace eagre
