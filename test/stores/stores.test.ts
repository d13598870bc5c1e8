import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TokenStore from "../../src/TokenStore.ts"
import { temporary } from "../support/directories.ts"
import { contract, numbered } from "./contract.ts"

contract(
  "layerMemory",
  // Nobody else can open what is in memory: the same store is given again.
  Effect.map(Layer.build(TokenStore.layerMemory()), (context) => () => Layer.succeedContext(context))
)

it.effect("two stores in memory have nothing in common, unless one is given to both (S198)", () =>
  Effect.gen(function* () {
    const login = Effect.flatMap(TokenStore.TokenStore, (store) =>
      store.transaction("me", () => Effect.succeedSome(numbered(1)))
    )
    const listed = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
    const layer = TokenStore.layerMemory()
    yield* Effect.provide(login, layer)
    assert.deepStrictEqual(yield* Effect.provide(listed, TokenStore.layerMemory()), [])
    // Provided anew, the same layer is another store as well.
    assert.deepStrictEqual(yield* Effect.provide(listed, layer), [])
    assert.deepStrictEqual(yield* Effect.provide(Effect.zipRight(login, listed), layer), ["me"])
  })
)

contract(
  "layerFile",
  Effect.map(temporary, (directory) => () => TokenStore.layerFile({ directory }))
)

contract(
  "layerEncryptedFile",
  Effect.map(temporary, (directory) => () => {
    const key = Redacted.make(new Uint8Array(32).fill(7))
    return TokenStore.layerEncryptedFile({ directory, key })
  })
)
