/** Uses the key ring of the system, and says in one line what came of it. */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as KeyRing from "../../../src/KeyRing.ts"
import { make } from "../../../src/Token.ts"
import { TokenStore } from "../../../src/TokenStore.ts"
import * as DateTime from "effect/DateTime"

const open = Effect.flatMap(Layer.build(KeyRing.layer()), (context) => Effect.provide(TokenStore, context))

const program = Effect.gen(function* () {
  const [one, other] = [yield* open, yield* open]
  const seen: Array<unknown> = []
  for (const size of [10, 5_000, 10]) {
    const token = make({ accessToken: Redacted.make("ä".repeat(size)), issuedAt: DateTime.unsafeMake(size) })
    yield* one.transaction("me", () => Effect.succeedSome(token))
    seen.push(Option.map(yield* other.get("me"), (read) => Equal.equals(read.accessToken, token.accessToken)))
  }
  seen.push(yield* other.list)
  yield* other.remove("me")
  seen.push(yield* one.list, Option.isNone(yield* one.get("me")))
  const key = yield* KeyRing.encryptionKey()
  const again = yield* KeyRing.encryptionKey()
  seen.push(Redacted.value(key).join() === Redacted.value(again).join() && Redacted.value(key).length)
  return JSON.stringify(seen.map((one) => (Option.isOption(one) ? Option.getOrNull(one) : one)))
})

const started = performance.now()
console.log(
  await Effect.runPromise(
    Effect.scoped(program).pipe(Effect.catchAll((error) => Effect.succeed(`${error.reason}: ${error.description}`)))
  )
)
console.error(`${performance.now() - started} ms`)
