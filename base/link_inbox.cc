#include "base/link_inbox.h"

#include <utility>

#include "base/check.h"

namespace eagre {

void LinkInbox::Start(Executor& executor, LinkHandlers handlers) {
  std::lock_guard lock(mutex_);
  if (detached_) return;
  EAGRE_CHECK_MSG(executor_ == nullptr, "a link is started once");
  executor_ = &executor;
  handlers_ = std::make_shared<LinkHandlers>(std::move(handlers));
  for (std::string& message : std::exchange(early_, {})) PostMessage(std::move(message));
  if (closed_.has_value()) PostClosed(*closed_);
}

void LinkInbox::Deliver(std::string message) {
  std::lock_guard lock(mutex_);
  if (detached_ || closed_.has_value()) return;
  waiting_bytes_.fetch_add(message.size(), std::memory_order_relaxed);
  if (executor_ == nullptr) {
    early_.push_back(std::move(message));
  } else {
    PostMessage(std::move(message));
  }
}

void LinkInbox::PeerClosed(Status reason) {
  std::lock_guard lock(mutex_);
  if (detached_ || closed_.has_value()) return;
  closed_ = std::move(reason);
  if (executor_ != nullptr) PostClosed(*closed_);
}

void LinkInbox::Detach() {
  std::shared_ptr<LinkHandlers> released;  // destroyed without the lock: its captures may own this link
  std::lock_guard lock(mutex_);
  detached_ = true;
  early_.clear();
  released = std::exchange(handlers_, nullptr);
}

void LinkInbox::PostMessage(std::string message) {
  executor_->Post([self = shared_from_this(), message = std::move(message)] {
    std::shared_ptr<LinkHandlers> handlers;
    {
      std::lock_guard lock(self->mutex_);
      handlers = self->handlers_;
    }
    self->waiting_bytes_.fetch_sub(message.size(), std::memory_order_relaxed);
    if (handlers != nullptr && handlers->on_message) handlers->on_message(message);
  });
}

void LinkInbox::PostClosed(Status reason) {
  executor_->Post([self = shared_from_this(), reason = std::move(reason)] {
    std::shared_ptr<LinkHandlers> handlers;
    {
      std::lock_guard lock(self->mutex_);
      handlers = std::exchange(self->handlers_, nullptr);
    }
    if (handlers != nullptr && handlers->on_closed) handlers->on_closed(reason);
  });
}

}  // namespace eagre
