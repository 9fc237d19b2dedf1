# Finds the libtorch inside an installed torch wheel and defines LibTorch::LibTorch.
#
# The wheel's own TorchConfig.cmake asks for a CUDA toolkit; this module does not.
# Search order: -DRWKU_TORCH_ROOT=<.../site-packages/torch>, .deps/venv, the python3 on PATH.
# Sets LibTorch_VERSION and, where the wheel's CUDA half is complete, LibTorch_CUDA.
include_guard(GLOBAL)
set(RWKU_TORCH_ROOT "" CACHE PATH "The torch folder of an installed wheel (site-packages/torch)")
set(_root "${RWKU_TORCH_ROOT}")
if(NOT _root)
  file(GLOB _candidates "${PROJECT_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch")
  if(_candidates)
    list(GET _candidates 0 _root)
  endif()
endif()
if(NOT _root)
  execute_process(
    COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE _root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
find_path(LibTorch_INCLUDE_DIR NAMES torch/library.h PATHS "${_root}/include" NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY NAMES torch_cpu PATHS "${_root}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY NAMES c10 PATHS "${_root}/lib" NO_DEFAULT_PATH)
if(EXISTS "${_root}/version.py")
  file(STRINGS "${_root}/version.py" _version REGEX "^__version__ = ")
  string(REGEX REPLACE ".*'([^']+)'.*" "\\1" LibTorch_VERSION "${_version}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run scripts/setup, or pass -DRWKU_TORCH_ROOT=<site-packages/torch>")
if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
    "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  target_link_libraries(LibTorch::LibTorch INTERFACE
    "${LibTorch_CPU_LIBRARY}" "${LibTorch_C10_LIBRARY}")
  target_compile_features(LibTorch::LibTorch INTERFACE cxx_std_20)
  find_library(LibTorch_CUDA_LIBRARY NAMES torch_cuda PATHS "${_root}/lib" NO_DEFAULT_PATH)
  find_library(LibTorch_C10_CUDA_LIBRARY NAMES c10_cuda PATHS "${_root}/lib" NO_DEFAULT_PATH)
endif()
