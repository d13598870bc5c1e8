/** A program that uses a file store as whoever runs it, and prints what came of it. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as Token from "../../../src/Token.ts"
import * as TokenStore from "../../../src/TokenStore.ts"

const [directory, ...steps] = process.argv.slice(2)

const numbered = (n: number, length = 0) =>
  Token.make({
    accessToken: Redacted.make(`access-${n}`),
    issuedAt: DateTime.unsafeMake(n),
    refreshToken: Option.some(Redacted.make("r".repeat(length)))
  })

const program = Effect.gen(function* () {
  const store = yield* TokenStore.TokenStore
  const results: Array<string> = []
  for (const step of steps) {
    const [name, n] = step.split(":")
    if (name === "fill") {
      // Whatever fits, down to the last byte.
      const file = fs.openSync(`${n}/filler`, "w")
      try {
        for (;;) if (fs.writeSync(file, new Uint8Array(512)) === 0) break
      } catch {
        // Full.
      }
      fs.closeSync(file)
      continue
    }
    const effect =
      name === "get"
        ? Effect.map(store.get("me"), (token) =>
            String(Option.getOrNull(Option.map(token, ({ issuedAt }) => DateTime.toEpochMillis(issuedAt))))
          )
        : name === "remove"
          ? Effect.as(store.remove("me"), "removed")
          : Effect.as(
              store.transaction("me", () => Effect.succeedSome(numbered(Number(n), name === "large" ? 40_000 : 0))),
              "stored"
            )
    const result = yield* Effect.either(effect)
    results.push(
      Either.match(result, { onLeft: (error) => `${error.reason}: ${error.description}`, onRight: (text) => text })
    )
  }
  console.log(JSON.stringify(results))
})

Effect.runPromise(program.pipe(Effect.provide(TokenStore.layerFile({ directory }))))
