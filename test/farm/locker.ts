/** A process that takes a lock: `loop`, `hold`, `try` or `parent`, in a directory. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as ProcessLock from "../../src/internal/processLock.ts"

const [what, directory = "", ...more] = process.argv.slice(2)

const say = (line: string) => Effect.sync(() => console.log(line))

const told = Effect.async<void>((resume) => {
  process.stdin.once("data", () => {
    process.stdin.destroy()
    resume(Effect.void)
  })
})

const program = Effect.gen(function* () {
  const lock = yield* ProcessLock.make(directory)
  switch (what) {
    // Holds it again and again, and writes down when it comes and goes.
    case "loop": {
      const [log = "", id = ""] = more
      const write = (line: string) => Effect.sync(() => fs.appendFileSync(log, `${line} ${id}\n`))
      yield* say("ready")
      for (let turn = 0; ; turn++) {
        const inside = Effect.zipRight(write("+"), turn % 2 === 0 ? Effect.sleep(turn % 4) : Effect.void)
        yield* lock.withLock("a", Duration.minutes(1))(Effect.zipRight(inside, write("-")))
      }
    }
    // Holds it until it is told to let go.
    case "hold":
      return yield* lock.withLock("a", Duration.minutes(1))(Effect.zipRight(say("held"), told))
    // Says how it goes within a limit.
    case "try": {
      const limit = Duration.millis(Number(more[0]))
      const result = yield* Effect.either(lock.withLock("a", limit)(Effect.void))
      return yield* say(Either.isRight(result) ? "taken" : result.left.reason)
    }
    // Holds it, and starts a program that outlives it.
    case "parent":
      return yield* lock.withLock(
        "a",
        Duration.minutes(1)
      )(
        Effect.suspend(() => {
          const child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" })
          return Effect.zipRight(say(`${child.pid}`), Effect.never)
        })
      )
  }
})

Effect.runPromise(program).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
