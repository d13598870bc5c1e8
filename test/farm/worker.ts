/**
 * A process with credentials: on `token <time>` it says which token it has then, on `renew <time>` which one it has instead of the last, and on `time <time>` that it
 * knows what time it is. Time is what it is told, in seconds that are added to the clock: so tokens expire when the farm wants it. On `stop <time>` it does
 * the same as on `token`, but stops itself in the moment before it would send the refresh token.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as readline from "node:readline"
import * as Credentials from "../../src/Credentials.ts"
import * as Provider from "../../src/Provider.ts"
import * as RefreshToken from "../../src/providers/RefreshToken.ts"
import * as Redis from "../../src/Redis.ts"
import type { Token } from "../../src/Token.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import * as ClockAhead from "../support/clockAhead.ts"

const [tokenEndpoint = "", place = "", lockTimeout = "30000", lease = "30000"] = process.argv.slice(2)

/** A directory, or the address of a Redis. */
const StoreLive = place.startsWith("redis:")
  ? Redis.layer({ url: place, lockTimeout: Number(lockTimeout), lease: Number(lease) })
  : TokenStore.layerFile({ directory: place, lockTimeout: Number(lockTimeout) })

const [clock, setAhead] = ClockAhead.make()

let isToStop = false

/** Asked for whenever a request is made, just before it is sent. */
const clientSecret = Effect.sync(() => {
  if (isToStop) {
    isToStop = false
    console.log("stopping")
    process.kill(process.pid, "SIGSTOP")
  }
  return "s3cret"
})

const provider = RefreshToken.make({ tokenEndpoint, clientId: "farm", clientSecret, refreshToken: "refresh-0" }).pipe(
  Provider.persisted("farm")
)

const lines = Effect.map(
  Effect.sync(() => readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()),
  (lines) => Effect.promise(() => lines.next())
)

const program = Effect.gen(function* () {
  const credentials = yield* Credentials.make(provider)
  const next = yield* lines
  let last: Token | undefined
  console.log("ready")
  while (true) {
    const line = yield* next
    if (line.done === true) return
    const [what, time] = line.value.split(" ")
    setAhead(Number(time))
    if (what === "time") {
      console.log("known")
      continue
    }
    isToStop = what === "stop"
    const wanted = what === "renew" && last !== undefined ? credentials.renew(last) : credentials.token
    const result = yield* Effect.either(wanted)
    if (Either.isRight(result)) {
      last = result.right
      console.log(Redacted.value(last.accessToken))
    } else console.log(result.left.message)
  }
})

Effect.runPromise(
  Effect.scoped(program).pipe(
    Effect.provide(Layer.merge(FetchHttpClient.layer, StoreLive)),
    Effect.provide(Logger.remove(Logger.defaultLogger)),
    Effect.withClock(clock)
  )
).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
