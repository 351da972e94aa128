// Builds a described workflow in ComfyUI's page, in the open and empty graph or in this subgraph of
// it; returns what the page saves. Run by workflow_builder.py and blueprint_builder.js.
async (workflow, graph = app.rootGraph) => {
  const demand = (thing, complaint) => {
    if (thing === undefined || thing === null || thing === -1) throw new Error(complaint)
    return thing
  }
  const add = ({ id, type, at, size }) => {
    const node = demand(LiteGraph.createNode(type), `this server has no node ${type}`)
    node.id = id
    graph.add(node)
    node.pos = at
    node.setSize(size)
    return node
  }

  for (const { title, at, size, colour } of workflow.groups) {
    const group = new LiteGraph.LGraphGroup(title)
    graph.add(group)
    group.pos = at
    group.size = size
    group.color = colour
  }
  for (const note of workflow.notes) {
    add({ ...note, type: 'MarkdownNote' }).widgets[0].value = note.text
  }
  for (const described of workflow.nodes) {
    const node = add(described)
    node.title = described.title
    if (described.models.length) node.properties.models = described.models
    for (const [name, value] of Object.entries(described.values)) {
      const widget = demand(
        node.widgets?.find((each) => each.name === name),
        `${described.title} (${described.type}) has no setting ${name}`
      )
      widget.value = value
      widget.callback?.(value)
    }
  }
  for (const described of workflow.nodes) {
    const node = graph.getNodeById(described.id)
    for (const [name, { node: from, output }] of Object.entries(described.links)) {
      const input = demand(
        node.findInputSlot(name),
        `${described.title} (${described.type}) has no input ${name}`
      )
      const source = demand(graph.getNodeById(from), `there is no node ${from} to link from`)
      demand(
        source.connect(output, node, input),
        `output ${output} of ${source.title} does not fit input ${name} of ${described.title}`
      )
    }
    node.setSize(described.size)
  }
  return JSON.parse(JSON.stringify(app.rootGraph.serialize()))
}
