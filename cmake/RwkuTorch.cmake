# rwku_use_torch(target): compile and link against libtorch, with the shared precompiled header if asked.
include_guard(GLOBAL)
find_package(LibTorch REQUIRED)
if(NOT LibTorch_VERSION MATCHES "^2\\.11\\.0")
  message(FATAL_ERROR "torch ${LibTorch_VERSION} found, 2.11.0 is needed: run scripts/setup")
endif()
if(RWKU_WITH_CUDA)
  if(NOT LibTorch_CUDA_LIBRARY)
    message(FATAL_ERROR "RWKU_WITH_CUDA: libtorch_cuda.so not found beside ${LibTorch_CPU_LIBRARY}")
  endif()
  # --no-as-needed: nothing refers to the CUDA library by symbol; loading it registers the kernels.
  target_link_libraries(LibTorch::LibTorch INTERFACE -Wl,--no-as-needed
    "${LibTorch_CUDA_LIBRARY}" "${LibTorch_C10_CUDA_LIBRARY}" -Wl,--as-needed)
endif()
if(RWKU_TORCH_PCH)
  file(WRITE "${PROJECT_BINARY_DIR}/torch_pch.cc" "// Holder of the precompiled torch header.\n")
  add_library(rwku_torch_pch OBJECT "${PROJECT_BINARY_DIR}/torch_pch.cc")
  target_link_libraries(rwku_torch_pch PRIVATE LibTorch::LibTorch rwku_options)
  target_precompile_headers(rwku_torch_pch PRIVATE <torch/torch.h>)
endif()

function(rwku_use_torch target)
  target_link_libraries(${target} PRIVATE LibTorch::LibTorch)
  if(RWKU_TORCH_PCH)
    target_precompile_headers(${target} REUSE_FROM rwku_torch_pch)
  endif()
endfunction()

# c10d's Gloo half is in torch_cpu; the wheel ships none of the headers that its header includes.
find_path(RWKU_GLOO_INCLUDE_DIR NAMES gloo/context.h REQUIRED
  DOC "Folder with gloo/context.h (Debian: libgloo-dev; only the headers are used)")
# Its NCCL half is in torch_cuda; headers of CUDA and NCCL come with the wheels beside torch's.
get_filename_component(_packages "${LibTorch_INCLUDE_DIR}/../.." ABSOLUTE)
find_path(RWKU_NCCL_INCLUDE_DIR NAMES nccl.h PATHS "${_packages}/nvidia/nccl/include" NO_DEFAULT_PATH)
find_path(RWKU_CUDA_INCLUDE_DIR NAMES cuda_runtime_api.h PATHS "${_packages}/nvidia/cu13/include"
  NO_DEFAULT_PATH)
find_program(RWKU_NVCC nvcc PATHS "${_packages}/nvidia/cu13/bin" NO_DEFAULT_PATH
  DOC "The CUDA compiler of the wheels (scripts/setup --cuda)")
find_library(RWKU_CUDART_LIBRARY NAMES libcudart.so.13 PATHS "${_packages}/nvidia/cu13/lib" NO_DEFAULT_PATH)
if(RWKU_WITH_CUDA AND NOT (RWKU_NCCL_INCLUDE_DIR AND RWKU_CUDA_INCLUDE_DIR))
  message(FATAL_ERROR "RWKU_WITH_CUDA: headers of NCCL or CUDA not found below ${_packages}/nvidia: run scripts/setup --cuda")
endif()
if(RWKU_WITH_CUDA AND NOT (RWKU_NVCC AND RWKU_CUDART_LIBRARY))
  message(FATAL_ERROR "RWKU_WITH_CUDA: nvcc or libcudart.so.13 not found below ${_packages}/nvidia/cu13: run scripts/setup --cuda")
endif()

# rwku_use_c10d(target): compile against c10d with Gloo.
function(rwku_use_c10d target)
  target_include_directories(${target} SYSTEM PRIVATE "${RWKU_GLOO_INCLUDE_DIR}")
  target_compile_definitions(${target} PRIVATE USE_DISTRIBUTED USE_C10D_GLOO)
endfunction()

# rwku_use_nccl(target): and with NCCL, linked against torch_cuda; nothing of it runs without a GPU.
function(rwku_use_nccl target)
  target_include_directories(${target} SYSTEM PRIVATE
    "${RWKU_NCCL_INCLUDE_DIR}" "${RWKU_CUDA_INCLUDE_DIR}")
  target_compile_definitions(${target} PRIVATE USE_DISTRIBUTED USE_C10D_NCCL)
  target_link_libraries(${target} PRIVATE "${LibTorch_CUDA_LIBRARY}" "${LibTorch_C10_CUDA_LIBRARY}")
endfunction()

# rwku_use_cuda(target): compile against the CUDA runtime, linked against it and torch_cuda.
function(rwku_use_cuda target)
  target_include_directories(${target} SYSTEM PRIVATE "${RWKU_CUDA_INCLUDE_DIR}")
  target_link_libraries(${target} PRIVATE "${LibTorch_CUDA_LIBRARY}" "${LibTorch_C10_CUDA_LIBRARY}"
    "${RWKU_CUDART_LIBRARY}")
endfunction()
