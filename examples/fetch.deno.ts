/** Calls an API from Deno, with nothing of Effect in sight: `TOKEN_URL=… CLIENT_ID=… CLIENT_SECRET=… API_URL=… deno run -A examples/fetch.deno.ts`. */
import * as ClientCredentials from "effect-credentials/ClientCredentials"
import { makeFetch } from "effect-credentials/Fetch"

const url = new URL(process.env["API_URL"] ?? "https://api.example.com/me")
const api = makeFetch(ClientCredentials.layerConfig(), { origins: [url.origin] })
const response = await api.fetch(url)
console.log(response.status, await response.text())
await api.close()
