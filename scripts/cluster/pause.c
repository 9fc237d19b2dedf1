// What holds a pod's namespaces: sleeps, reaps orphans, ends on SIGTERM. Static, so that its image holds nothing else.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void Reap(int signal) {
  (void)signal;
  while (waitpid(-1, 0, WNOHANG) > 0) {
  }
}

static void End(int signal) {
  (void)signal;
  _exit(0);
}

int main(void) {
  signal(SIGCHLD, Reap);
  signal(SIGINT, End);
  signal(SIGTERM, End);
  for (;;) {
    pause();
  }
}
