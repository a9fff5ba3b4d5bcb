#include "pairs.h"

std::string PairOf(const std::string& first, const std::string& second) {
  return first + " and " + second;
}
