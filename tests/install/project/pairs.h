// What a job shares with other programs.
#pragma once

#include <string>

std::string PairOf(const std::string& first, const std::string& second);
