/** A Redis on a free port of this machine, in memory only. */
import { Effect, type Option, type Scope } from "effect"
import { spawn } from "node:child_process"
import { createServer } from "node:net"

const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Its URL, until the scope closes; none if it is not installed. */
export const redisServer: Effect.Effect<Option.Option<string>, never, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] })),
    (child) => Effect.sync(() => void child.kill())
  )
  return yield* Effect.async<Option.Option<string>>((resume) => {
    child.once("error", () => resume(Effect.succeedNone))
    child.once("exit", () => resume(Effect.succeedNone))
    child.stdout.on("data", (text) => {
      if (String(text).includes("Ready to accept")) resume(Effect.succeedSome(`redis://127.0.0.1:${port}`))
    })
  })
})
