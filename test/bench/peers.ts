/** The libraries that do similar work, if they are installed: nothing but the benchmarks needs them. */
import type { Peer } from "./peers/Peer.ts"

/** By the names of their files, here and in `programs`. */
const adapters: Readonly<Record<string, () => Promise<{ readonly peer: Peer }>>> = {
  google: () => import("./peers/google.ts"),
  msal: () => import("./peers/msal.ts"),
  coreRestPipeline: () => import("./peers/coreRestPipeline.ts"),
  openidClient: () => import("./peers/openidClient.ts"),
  badgateway: () => import("./peers/badgateway.ts"),
  smithy: () => import("./peers/smithy.ts")
}

const count = Object.keys(adapters).length
const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND"

const found = await Promise.all(
  Object.entries(adapters).map(([file, load]) =>
    load().then(
      ({ peer }) => [[file, peer] as const],
      (error: unknown) => {
        if (!isAbsent(error)) throw error
        return []
      }
    )
  )
)

/** Those that are installed; without any, workloads have their floors and us. */
export const peers: ReadonlyArray<Peer> = found.flat().map(([, peer]) => peer)

/** Their names, and the programs that make one call with them. */
export const programs: ReadonlyArray<readonly [name: string, program: string]> = found
  .flat()
  .map(([file, { name }]) => [name, file])

/** What to do about those that are not, if any. */
export const missing: string | undefined =
  peers.length < count ? `${count - peers.length} of ${count} peers are not installed: npm run bench:peers` : undefined
