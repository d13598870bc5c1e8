/** A real Redis on a free port of this machine, with a directory of its own; gone when its scope closes. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as net from "node:net"
import { temporary } from "./directories.ts"

/** Whether there is one on this machine. */
export const isInstalled: boolean = spawnSync("redis-server", ["--version"]).status === 0

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Ends it in order. What it has stored stays. */
  readonly stop: Effect.Effect<void>
  /** Starts it, again with what it had stored. */
  readonly start: Effect.Effect<void>
  /** Lets it do nothing for a while. */
  readonly signal: (signal: "SIGSTOP" | "SIGCONT") => Effect.Effect<unknown>
}

export const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = net.createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as net.AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Deno's own way sends only one. */
const send = (child: ChildProcess, signal: NodeJS.Signals) => process.kill(child.pid!, signal)

export const start = (...settings: ReadonlyArray<string>): Effect.Effect<RedisServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* temporary
    const port = yield* freePort
    let running: ChildProcess | undefined
    const stop = Effect.async<void>((resume) => {
      if (running === undefined) return resume(Effect.void)
      running.once("exit", () => resume(Effect.void))
      send(running, "SIGCONT")
      send(running, "SIGTERM")
      running = undefined
    })
    const start = Effect.async<void>((resume) => {
      const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "yes"]
      const child = spawn("redis-server", [...args, ...settings], { stdio: ["ignore", "pipe", "ignore"] })
      running = child
      child.stdout.on("data", (text) => String(text).includes("Ready to accept connections") && resume(Effect.void))
      child.once("error", (error) => resume(Effect.die(error)))
      child.once("exit", () => resume(Effect.dieMessage("Redis ended before it was ready")))
    })
    yield* start
    yield* Effect.addFinalizer(() => stop)
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      start,
      stop,
      signal: (signal) => Effect.sync(() => running !== undefined && send(running, signal))
    }
  })
