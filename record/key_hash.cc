#include "record/key_hash.h"

namespace eagre::internal {

std::string& KeyHashScratch() {
  thread_local std::string scratch;
  scratch.clear();
  return scratch;
}

}  // namespace eagre::internal
