/** A store in memory that fails as told: before it reads, or when it writes. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { TokenStoreError } from "../../src/CredentialsError.ts"
import type * as Token from "../../src/Token.ts"
import * as TokenStore from "../../src/TokenStore.ts"

type Reason = TokenStoreError["reason"]

export interface FailingStore {
  readonly layer: Layer.Layer<TokenStore.TokenStore>
  /** Why nothing can be read now; undefined: it can. */
  reading: Reason | undefined
  /** Why nothing can be written now; undefined: it can. */
  writing: Reason | undefined
  /** How often it was tried to write. */
  readonly writes: () => number
  /** What is under a key, whatever the store says. */
  readonly peek: (key: string) => Option.Option<Token.Token>
  /** Puts something there behind everybody's back, without the lock. */
  readonly poke: (key: string, token: Token.Token) => void
  /** Takes away what is there, in the same manner. */
  readonly wipe: (key: string) => void
}

export const make = (): FailingStore => {
  let writes = 0
  const behind = new Map<string, Token.Token>()
  const fail = (operation: "get" | "remove" | "transaction", key: string, reason: Reason | undefined) =>
    reason === undefined
      ? Effect.void
      : Effect.fail(new TokenStoreError({ operation, key, reason, description: "told to" }))
  const self: FailingStore = {
    reading: undefined,
    writing: undefined,
    writes: () => writes,
    peek: (key) => Option.fromNullable(behind.get(key)),
    poke: (key, token) => void behind.set(key, token),
    wipe: (key) => void behind.delete(key),
    layer: Layer.map(TokenStore.layerMemory(), (context) => context).pipe(
      Layer.flatMap((context) => {
        const memory = context.unsafeMap.get(TokenStore.TokenStore.key) as TokenStore.TokenStore
        return Layer.succeed(TokenStore.TokenStore, {
          ...memory,
          get: (key) => Effect.as(fail("get", key, self.reading), self.peek(key)),
          list: Effect.sync(() => Array.from(behind.keys())),
          remove: (key) =>
            memory.transaction(key, () =>
              Effect.as(
                Effect.tap(fail("remove", key, self.writing), () => behind.delete(key)),
                Option.none<Token.Token>()
              )
            ),
          transaction: (key, f) =>
            memory.transaction(key, () =>
              Effect.zipRight(
                fail("transaction", key, self.reading),
                Effect.suspend(() => {
                  const stored = self.peek(key)
                  return Effect.tap(f(stored), (after) => {
                    if (Option.isSome(after) && Option.contains(stored, after.value)) return Effect.void
                    writes++
                    if (!Option.contains(self.peek(key), Option.getOrUndefined(stored)) && Option.isSome(stored)) {
                      return fail("transaction", key, "Conflict")
                    }
                    return Effect.map(fail("transaction", key, self.writing), () => {
                      if (Option.isSome(after)) behind.set(key, after.value)
                      else behind.delete(key)
                    })
                  })
                })
              )
            )
        } satisfies TokenStore.TokenStore)
      })
    )
  }
  return self
}
