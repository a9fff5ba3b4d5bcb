#include <memory>
#include <utility>

#include "base/link.h"
#include "base/link_inbox.h"

namespace eagre {
namespace {

class MemoryLink final : public Link {
 public:
  MemoryLink(std::shared_ptr<LinkInbox> own, std::shared_ptr<LinkInbox> peer)
      : own_(std::move(own)), peer_(std::move(peer)) {}
  ~MemoryLink() override { Close(); }

  void Start(Executor& executor, LinkHandlers handlers) override { own_->Start(executor, std::move(handlers)); }
  // The peer's inbox refuses both once either side has closed.
  void Send(std::string message) override { peer_->Deliver(std::move(message)); }
  void Close() override {
    own_->Detach();
    peer_->PeerClosed(OkStatus());
  }

 private:
  const std::shared_ptr<LinkInbox> own_;
  const std::shared_ptr<LinkInbox> peer_;
};

}  // namespace

std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> NewMemoryLinkPair() {
  auto first = LinkInbox::New();
  auto second = LinkInbox::New();
  return {std::make_unique<MemoryLink>(first, second), std::make_unique<MemoryLink>(second, first)};
}

}  // namespace eagre
