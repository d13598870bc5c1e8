/** On Node: undici's own proxy agent, given to the undici layer. `npx tsx examples/proxy-and-certificates/node.ts` */
import { NodeHttpClient, NodeRuntime, Undici } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { network, program } from "./program.ts"

const Dispatcher = Layer.scoped(
  NodeHttpClient.Dispatcher,
  Effect.acquireRelease(
    Effect.map(
      network,
      ({ ca, cert, key, proxy }) => new Undici.ProxyAgent({ uri: proxy, requestTls: { ca, cert, key } })
    ),
    (agent) => Effect.promise(() => agent.close())
  )
)

const Http = Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, Dispatcher)

NodeRuntime.runMain(program(Http))
