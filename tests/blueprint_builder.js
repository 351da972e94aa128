// Builds a described blueprint in ComfyUI's page, in the open and empty graph: a subgraph with its
// nodes, and the one node that it looks like from outside; returns what the page saves. `fill` is
// workflow_builder.js. Run by blueprint_builder.py.
async (blueprint, fill) => {
  const { id, name, description } = blueprint
  const subgraph = app.rootGraph.createSubgraph({
    id,
    name,
    description,
    ...blueprint.ends,
    inputs: [],
    outputs: [],
    nodes: [],
    links: [],
    groups: [],
    widgets: [],
    version: 1,
    revision: 0,
    state: {},
    config: {},
    extra: {}
  })
  await fill({ ...blueprint, notes: [] }, subgraph)

  const slot = (node, name) => {
    const found = subgraph.getNodeById(node).inputs.find((each) => each.name === name)
    if (!found) throw new Error(`node ${node} has no input ${name} to lead outside`)
    return found
  }
  for (const { id, name, leads } of blueprint.inputs) {
    const input = subgraph.addInput(name, slot(...leads[0]).type)
    input.id = id
    for (const [node, inner] of leads) {
      if (!input.connect(slot(node, inner), subgraph.getNodeById(node))) {
        throw new Error(`${name} does not fit input ${inner} of node ${node}`)
      }
    }
  }
  for (const { id, name, node, output } of blueprint.outputs) {
    const from = subgraph.getNodeById(node)
    const added = subgraph.addOutput(name, from.outputs[output].type)
    added.id = id
    added.connect(from.outputs[output], from)
  }

  for (const { id, size } of blueprint.nodes) subgraph.getNodeById(id).setSize(size)

  const outside = LiteGraph.createNode(id)
  outside.id = blueprint.outside
  app.rootGraph.add(outside)
  outside.pos = [0, 0]
  outside.setSize(blueprint.size)
  return JSON.parse(JSON.stringify(app.rootGraph.serialize()))
}
