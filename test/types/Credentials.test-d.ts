/** Mistakes that the type checker has to find. Nothing here runs. */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Credentials from "../../src/Credentials.ts"
import type { InvalidOption, RefreshError } from "../../src/CredentialsError.ts"
import * as Provider from "../../src/Provider.ts"
import * as StaticToken from "../../src/providers/StaticToken.ts"
import * as TokenFactory from "../../src/providers/TokenFactory.ts"
import type { TokenStore } from "../../src/TokenStore.ts"

declare const hold: <A>(value: A) => void
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>) => {}

const GitHub = Credentials.Tag("github")
const GitLab = Credentials.Tag("gitlab")
const useGitHub = Effect.flatMap(GitHub, (credentials) => credentials.token)

// Named credentials are provided under their own name only.
const provided = useGitHub.pipe(Effect.provide(StaticToken.layer({ token: "x" }, { tag: GitHub })))
same<Effect.Effect.Context<typeof provided>, never>(true)
same<Effect.Effect.Error<typeof provided>, RefreshError | InvalidOption>(true)

const elsewhere = useGitHub.pipe(Effect.provide(StaticToken.layer({ token: "x" }, { tag: GitLab })))
same<Effect.Effect.Context<typeof elsewhere>, Credentials.Id<"github">>(true)
// @ts-expect-error GitHub's credentials are missing
Effect.runPromise(elsewhere)

const unnamed = useGitHub.pipe(Effect.provide(StaticToken.layer({ token: "x" })))
// @ts-expect-error the default credentials are not GitHub's
Effect.runPromise(unnamed)

// @ts-expect-error one name is not another
hold<Context.Tag.Identifier<typeof GitHub>>(null as unknown as Credentials.Id<"gitlab">)
// @ts-expect-error a name is not any name
hold<Credentials.Id<string>>(null as unknown as Credentials.Id<"github">)

// A service that happens to look like credentials is none.
const lookAlike = Layer.succeed(HttpClient.HttpClient, null as unknown as HttpClient.HttpClient)
// @ts-expect-error credentials are missing
Effect.runPromise(useGitHub.pipe(Effect.provide(lookAlike)))

// What a provider needs, its layer needs.
declare const provider: Provider.Provider<HttpClient.HttpClient>
same<typeof needsHttp, Layer.Layer<Credentials.Id<"default">, InvalidOption, HttpClient.HttpClient>>(true)
const needsHttp = Credentials.layer(provider)
const persisted = provider.pipe(Provider.persisted())
same<typeof persisted, Provider.Provider<HttpClient.HttpClient | TokenStore>>(true)

// @ts-expect-error a token is required
StaticToken.make({})
// @ts-expect-error a number is no token
TokenFactory.make({ token: Effect.succeed(42) })
// @ts-expect-error misspelt options are found
StaticToken.layer({ token: "x" }, { renewAhed: "1 minute" })
