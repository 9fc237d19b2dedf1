#define RWKU_KERNELS_NAME "avx2"
#define RWKU_KERNELS_ACCESSOR Avx2Kernels
#include "worker/engine/decode/kernels_impl.h"
