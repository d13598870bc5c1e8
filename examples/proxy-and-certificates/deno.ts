/** On Deno: its HTTP client, as an option of fetch. `deno run -A examples/proxy-and-certificates/deno.ts` */
import { FetchHttpClient } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { network, program } from "./program.ts"

interface DenoClient {
  readonly close: () => void
}

/** What Deno adds to the options of fetch. */
interface DenoInit extends RequestInit {
  readonly client: DenoClient
}

/** The part of Deno's own types that is needed here, for compilers that do not know them. */
declare const Deno: {
  readonly createHttpClient: (options: {
    readonly proxy: { readonly url: string }
    readonly caCerts: Array<string>
    readonly cert: string
    readonly key: string
  }) => DenoClient
}

const Init = Layer.scoped(
  FetchHttpClient.RequestInit,
  Effect.acquireRelease(
    Effect.map(network, ({ ca, cert, key, proxy }): DenoInit => ({
      client: Deno.createHttpClient({ proxy: { url: proxy }, caCerts: [ca], cert, key })
    })),
    ({ client }) => Effect.sync(() => client.close())
  )
)

const Http = Layer.provide(FetchHttpClient.layer, Init)

NodeRuntime.runMain(program(Http))
