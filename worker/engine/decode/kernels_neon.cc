#define RWKU_KERNELS_NAME "neon"
#define RWKU_KERNELS_ACCESSOR NeonKernels
#define RWKU_KERNELS_NEON
#include "worker/engine/decode/kernels_impl.h"
