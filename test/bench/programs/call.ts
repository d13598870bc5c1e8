/** One call, with a header that a library gives. */
import type { Peer } from "../peers/Peer.ts"

const origin = process.argv[2]!

export const call = async ({ connect }: Peer): Promise<void> => {
  const { header } = connect({ tokenEndpoint: `${origin}/token`, fetch, ahead: 60_000 })
  const response = await fetch(`${origin}/me`, { headers: { authorization: await header() } })
  console.log(response.status, await response.text())
}
