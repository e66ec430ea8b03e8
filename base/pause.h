// A hint for loops that poll.

#ifndef SHOAL_BASE_PAUSE_H_
#define SHOAL_BASE_PAUSE_H_

namespace shoal::base {

// Lets the core's other hardware thread go ahead, and saves power.
inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace shoal::base

#endif  // SHOAL_BASE_PAUSE_H_
