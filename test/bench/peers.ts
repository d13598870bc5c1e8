/** The libraries that do similar work, if they are installed: nothing but the benchmarks needs them. */
import type { Peer } from "./peers/Peer.ts"

const adapters: ReadonlyArray<() => Promise<{ readonly peer: Peer }>> = [
  () => import("./peers/google.ts"),
  () => import("./peers/msal.ts"),
  () => import("./peers/coreRestPipeline.ts"),
  () => import("./peers/openidClient.ts"),
  () => import("./peers/badgateway.ts"),
  () => import("./peers/smithy.ts")
]

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND"

const found = await Promise.all(
  adapters.map((load) =>
    load().then(
      ({ peer }) => [peer],
      (error: unknown) => {
        if (!isAbsent(error)) throw error
        return []
      }
    )
  )
)

/** Those that are installed; without any, workloads have their floors and us. */
export const peers: ReadonlyArray<Peer> = found.flat()

/** What to do about those that are not, if any. */
export const missing: string | undefined =
  peers.length < adapters.length
    ? `${adapters.length - peers.length} of ${adapters.length} peers are not installed: npm run bench:peers`
    : undefined
