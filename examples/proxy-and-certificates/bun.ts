/** On Bun: options of its fetch. `bun examples/proxy-and-certificates/bun.ts` */
import { FetchHttpClient } from "@effect/platform"
import { BunRuntime } from "@effect/platform-bun"
import { Effect, Layer } from "effect"
import { network, program } from "./program.ts"

/** What Bun adds to the options of fetch. */
interface BunInit extends RequestInit {
  readonly proxy: string
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
}

const Init = Layer.effect(
  FetchHttpClient.RequestInit,
  Effect.map(network, ({ ca, cert, key, proxy }): BunInit => ({ proxy, tls: { ca, cert, key } }))
)

const Http = Layer.provide(FetchHttpClient.layer, Init)

BunRuntime.runMain(program(Http))
