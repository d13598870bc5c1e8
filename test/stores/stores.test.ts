import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TokenStore from "../../src/TokenStore.ts"
import { temporary } from "../support/directories.ts"
import { contract } from "./contract.ts"

contract(
  "layerMemory",
  // Nobody else can open what is in memory: the same store is given again.
  Effect.map(Layer.build(TokenStore.layerMemory()), (context) => () => Layer.succeedContext(context))
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
