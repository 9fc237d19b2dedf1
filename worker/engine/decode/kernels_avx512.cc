#define RWKU_KERNELS_NAME "avx512"
#define RWKU_KERNELS_ACCESSOR Avx512Kernels
#include "worker/engine/decode/kernels_impl.h"
