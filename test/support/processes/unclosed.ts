/** A program with a fetch over stored tokens that is never closed, that has nothing more to do; or, told so, one that waits for another program. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Credentials from "../../../src/Credentials.ts"
import * as Fetch from "../../../src/Fetch.ts"
import * as Provider from "../../../src/Provider.ts"
import * as Token from "../../../src/Token.ts"
import * as TokenStore from "../../../src/TokenStore.ts"

const [, , directory, mode] = process.argv
const Store = TokenStore.layerFile({ directory: directory! })
const provider = Provider.make({
  name: "Own",
  acquire: () =>
    Effect.map(DateTime.now, (issuedAt) =>
      Token.make({
        accessToken: Redacted.make("t0ken"),
        issuedAt,
        expiresAt: Option.some(DateTime.add(issuedAt, { hours: 1 }))
      })
    )
})

if (mode === "waiting") {
  console.log("waits")
  const next = Effect.flatMap(TokenStore.TokenStore, (store) => Stream.runHead(store.changes("me")))
  await Effect.runPromise(Effect.provide(next, Store))
  console.log("has it")
} else {
  const { getToken } = Fetch.makeFetch(Layer.provide(Credentials.layer(Provider.persisted(provider, "me")), Store), {
    origins: ["https://api.example.com"]
  })
  console.log(await getToken())
}
