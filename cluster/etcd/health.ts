/** gRPC's health checks: this member serves, whatever service is asked for, while it knows a leader. */
import { HealthCheckResponse_ServingStatus, type HealthService } from "./generated/health.ts";
import type { LocalMember } from "./member.ts";
import type { Handlers } from "./rpc.ts";

const WATCH_INTERVAL_MS = 500;

export function healthHandlers(member: LocalMember): Handlers<typeof HealthService> {
  const status = () => {
    const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
    return member.node.leader === 0 ? NOT_SERVING : SERVING;
  };
  return {
    check: async () => ({ status: status() }),
    watch(call) {
      let told: number | undefined;
      const tell = () => {
        const now = status();
        if (now !== told) call.send({ status: now });
        told = now;
      };
      call.onRequest = tell;
      const timer = setInterval(tell, WATCH_INTERVAL_MS);
      call.onCancel(() => clearInterval(timer));
    },
  };
}
