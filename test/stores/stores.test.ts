import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TokenStore from "../../src/TokenStore.ts"
import { contract } from "./contract.ts"

contract(
  "layerMemory",
  // Nobody else can open what is in memory: the same store is given again.
  Effect.map(Layer.build(TokenStore.layerMemory()), (context) => () => Layer.succeedContext(context))
)
