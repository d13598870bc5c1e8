/** A process that calls an API for 20 seconds, with tokens that live for two. */
import { countsOf, eternal } from "./loopback.ts"
import { authenticated, bare } from "./ours.ts"
import { paced } from "./paced.ts"
import { peers } from "./peers.ts"
import { told } from "./processes.ts"

/** What it says in the end. */
export interface Rotated {
  /** How long each call took, in milliseconds. */
  readonly took: ReadonlyArray<number>
  readonly failed: number
  readonly refused: number
  readonly tokens: number
}

const { name, origin } = told<{ readonly name: string; readonly origin: string }>()

const byFetch = (header: () => Promise<string>) => async () => {
  const response = await fetch(`${origin}/items`, { headers: { authorization: await header() } })
  await response.text()
  return response.status
}

const own: Readonly<Record<string, () => () => Promise<number>>> = {
  "fetch, eternal token": () => byFetch(async () => `Bearer ${eternal}`),
  "the platform's client, eternal token": () => bare(origin).call,
  "the authenticated client, on demand": () => authenticated(origin, false).call,
  "the authenticated client, layerScheduled": () => authenticated(origin, true).call
}

const ofPeer = (): (() => Promise<number>) => {
  const peer = peers.find((peer) => peer.name === name)!
  const { client, header } = peer.connect({ tokenEndpoint: `${origin}/token`, fetch, ahead: 250 })
  return client === undefined ? byFetch(header) : () => client.authenticated(`${origin}/items`)
}

const call = own[name]?.() ?? ofPeer()
const pace = { workers: 50, rate: 500 }
// What is not compiled yet is not what is measured.
await paced(call, { ...pace, seconds: 3 })
const before = await countsOf(origin)
const { failed, took } = await paced(call, { ...pace, seconds: 20 })
const after = await countsOf(origin)
const rotated: Rotated = {
  took,
  failed,
  refused: after.refused - before.refused,
  tokens: after.tokens - before.tokens
}
process.send!(rotated, () => process.exit())
