// What most tests read.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "library.h"
