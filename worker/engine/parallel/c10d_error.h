// What c10d says when it fails, fit for a status.
#pragma once

#include <exception>
#include <string>

namespace rwku::engine {

// The first line, without the trace of the C++ stack.
std::string C10dMessage(const std::exception& error);

}  // namespace rwku::engine
