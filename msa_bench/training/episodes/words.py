"""The words training keys are made of: none of them is in `wonderwords`, whose lists evaluation keys come from.

A model that has learned these keys has seen no evaluation key, so its score on evaluation keys is about new words.
"""

from __future__ import annotations

from msa_bench.relations import words

ADJECTIVES = words("""
    aeolian aerial agile alabaster alkaline alluvial alpine ambient ample anchored angular annular antic aqueous
    arboreal arched arctic arid armoured artesian ashen askew astral asymmetric atomic auburn august aureate austere
    autumnal axial azure balanced balmy banded barbed baroque basal basaltic beaded bearded beige benign bespoke
    bilateral billowing biting blanched blazing bleached blended blighted blinking blooming bluish blunted blurred
    boiled bonded boreal botanical bracing brackish braided branched brassy brazen brimming bristled brittle
    brocaded bronzed brooding brunet buckled buffered burnished burrowing buttery buttoned cadenced calcareous
    calibrated callow candied candlelit canopied carved cascading celestial chalky chambered charcoal charred
    checkered cherished chiming chiselled chromatic cindered citric civic clandestine clattering clement clipped
    clouded clustered coastal cobalt cobbled coiled columnar compact concave concentric conical contoured convex
    copious coppery corded cordial corrugated courtly coveted cracked cragged crested crimson crinkled crusted
    crystalline cubic cupped curled cursive curtained cyan cyclic dainty dampened dappled darting dashed dawning
    deciduous dented derelict dewy diagonal dimpled diurnal docile domed dormant dotted dovetailed downy drafty
    draped drifting droning drowsy dulcet durable dusky earthen ebbing ebony echoing eclipsed eddying effusive
    elegiac elliptic eloquent embered embossed enamelled encased engraved entwined ephemeral equatorial errant
    estuarine etched evergreen exalted fabled faceted fallow fanned fathomless feathered feral fermented ferric
    ferrous fervid fibrous finned flaxen flecked fleeced flinty floral flowing fluent fluted folded foliate forested
    forged forked fossil foxed fractal fragrant frayed frescoed fretted fringed frosted frothy furled furrowed
    gabled galvanic garbled garlanded garnet gauzy geared gelid geodesic georgic gilded glacial glassy glazed
    glinting gnarled gossamer gothic grafted grainy granular grassy gravelly grazing grizzled grooved hammered
    handmade harmonic harvested hatched heathery hemmed heraldic herbal hewn hexagonal hibernal hilly hinged hoarded
    honeyed hooded horned humid humming idyllic igneous illumined immersed imperial incised indigo inked inlaid
    inland insular interlaced inverted iridescent ivied jasper jointed jubilant jutting kempt kindled knotted
    knurled laced lacquered lacustrine lambent lamplit lapping lateral latticed laureate leafy leaning leathern
    leeward lenient leonine levelled lichened lilting limber limpid linear lingering lit littoral loamy lofty
    looping loping lowland lucent lucid luminous lunar lupine lustrous lyric malted mantled marbled marled maroon
    marshy masked matte mauve meandering mellifluous mercurial milled mirrored misted molten monastic moonlit moored
    moorland mossy mottled mullioned muralled muslin muted nacreous narrowing nascent nautical nestled nimble
    nocturnal nomadic northerly notched nubby oaken oblique oblong ochre octagonal onyx opal opaline opaque orbital
    ornamental oscillating outlying ovoid oxidised padded painted palatine palmate panelled patched patterned pearly
    pebbled pelagic pelted perched petalled phantom piebald pillared pitted plaited planar planted pleated plumed
    polar polished ponderous porous portable powdered prismatic prodigal provincial puckered pulsing punctual
    quarried quartered quenched quilted quivering radial radiant rambling raptured ravelled reclusive rectilinear
    reddish reedy refracted regal resinous resplendent reticent ribbed ridged rimed rippling riverine roaming
    roseate rotary rounded roving rubied ruffled rugged rumbling runic russet rustling sabled sagging saline salted
    sandblown sapphire scalloped scarlet scented scorched sculpted seaborne seafaring sealed secluded sedentary
    seeded sepia sequined serene serrated shaded sheltered shimmering shingled shuttered sidereal sienna sifted
    silken silted silvered sinewy sinuous slanted slatted sleek slender sloping smelted smoky smouldering snowbound
    soaring sodden solar sombre sonorous southerly sparse speckled spectral spiced spinning splintered springing
    stacked stained starlit stately steeped stellar stilted stippled stirred stitched stolid stony stranded streaked
    strident sturdy sublime subtle sunken sunlit supple surging swaying swirling swooping sylvan tabular tailored
    tangled tapered tarnished tasselled tawny teal telescopic temperate tempered tensile terraced terse textured
    thatched thawing thorny threaded throbbing tidal tiered tiled timbered tinted titanic toasted topaz torrid
    translucent trellised trenchant triangular trilling tropical trundling tufted tundral turquoise twilit twining
    twirling twisted umber undulating unfurled unglazed upland upturned urbane varnished vaulted veiled velveteen
    vermilion vernal vesper vibrant vineclad viridian viscous vitreous volcanic waning waterlogged wavering waxen
    weathered webbed westerly whirling whittled willowy windborne windswept winged wintry wispy wooded woollen woven
    wreathed wrought xeric yearling yeasty zephyrous zigzag zonal
    """)

NOUNS = words("""
    abalone abutment acanthus aconite acropolis adze aerie agate agave alembic alidade alms aloe amaranth amaryllis
    ambergris amethyst amphora anemone aneroid antimony anvil apothecary aqueduct arbour archipelago argosy armature
    armillary arroyo asphodel aster athenaeum atoll aurochs avocet awl awning axle balsam balustrade bannock
    barbican barnacle barque barrow bascule basilica bastion bathysphere battlement bauble bayonet beacon bellwether
    belvedere bergamot berm beryl bevel bilberry billhook binnacle bismuth bittern bittersweet bivouac blackthorn
    blunderbuss boatswain bobbin bodkin bollard borage borealis bosk bosun bowsprit bracken bramble brazier briar
    brigantine broadsword brocade bromeliad brougham bryony buckthorn bullfinch bulrush bulwark bunting buoy burdock
    burgee bustard buttress byre cabochon cachalot cadence cairn caldera calliope calliper calyx camellia campion
    canticle capstan caravel caraway carbuncle cardamom carillon carnelian carrack cartouche cartulary caryatid
    cassowary catkin celadon celandine centaury chaffinch chamois chanterelle chaparral charlock chert chervil
    chisel chough cinnabar cistern citadel citrine clavichord clematis coachman cobble cockade cockle coffer cog
    colonnade coltsfoot columbine comet concertina conch copse coracle coriander cornice coronet corsair corvette
    cowrie cowslip crampon crannog creel crenel croft cromlech crosier crossbow crucible curlew cutlass cutwater
    cycad cypress dado damask damson davit deadbolt delft delphinium demijohn dirigible distaff doldrums dolmen
    dormouse dovecote dowel dragoon driftwood drumlin dunlin earthwork edelweiss egret eider ember embrasure
    epaulette ermine escarpment escutcheon esker eucalyptus falcon falconer farrier farthing feldspar fenland
    ferrule fescue fetlock fieldfare figurehead filament filbert filigree finial firth fjord flagon flagstone flail
    flambeau flotilla foghorn foil forecastle freesia frieze fritillary fuchsia fulcrum fulmar furlong furrow gable
    gadwall galleon gangway gannet gantry gargoyle garret gentian geode gibbon gimbal gimlet gingham glade gneiss
    goblet godwit goldcrest goldfinch gooseberry gorse goshawk gourd granary granite grapnel grebe greenfinch
    greensand grenadier griffin grindstone grommet grotto guillemot gunwale gusset gypsum gyroscope halberd halcyon
    halyard hamlet harbinger hardtack harebell harrier hawser hawthorn hayloft haywain headland heather heliograph
    heliotrope hellebore helm hemlock hempseed herald hibiscus hillock hippocampus hobnail hogshead hollyhock hoopoe
    hornbeam hornblende hummock hyssop ibex ibis icefall ingot inkwell inlet ironwood isthmus jacaranda jackdaw jamb
    jerkin jetty jib jonquil juniper keel keelson keepsake kelp kestrel kiln kingcup kingfisher kirtle kittiwake
    knapsack knapweed knoll laburnum lacewing lagoon lambrequin lampblack lamprey lancet landau lapwing larkspur
    latch lattice laudanum laurel lavender lectern lichen lichgate lignite limpet linchpin linden linnet lintel
    lithograph lobelia lodestar lodestone longship loom loosestrife lorgnette lorry lovage lozenge lugger lupin
    lychgate lynchpin mackerel madder magnetite magnolia magpie mainsail malachite mandrel mandrill manometer
    marigold marjoram marlin marquee martlet masthead maypole meadowlark medlar megalith menhir merganser merlin
    mica millpond millrace minaret minster mistral mizzen moleskin monolith moorhen moorings moraine mordant mosaic
    muffler mulberry mullein mullion muntjac murrelet musket mustang myrtle nankeen narthex narwhal nasturtium
    natterjack nautilus nave nettle newel newt nightjar nightshade nimbus nuthatch oarlock oatcake obelisk ocarina
    oleander oratory oriel oriole ormolu orrery osier ostler outcrop oxbow oxcart oxeye oxlip oystercatcher
    palanquin palfrey palimpsest palisade pampas parapet pargeting paving peafowl peat pelisse pennon pennywort
    peregrine pergola periscope periwinkle petrel pewter phial philomel phosphor pilaster pimpernel pinion pinnace
    pintail pipistrelle piston plinth plumage plumb polecat pollard pomander pommel pontoon poplar porphyry
    porringer portcullis portico postern potash poultice primrose privet promontory pumice puncheon pylon pyrite
    quarry quarterdeck quatrain quay quern quoin rafter ragwort rampart ramson rapier ravine redan redoubt redpoll
    redshank redstart redwing reed regatta reliquary retort rhododendron rhombus ridgepole rigging ringlet rivet
    roebuck rook rosary rosehip rosette rosin rotunda rowan rowlock rudder runestone runnel rushlight sackbut
    saddlery sagebrush salamander salver samphire sandpiper sandstone sapling sarcophagus sassafras satchel
    saxifrage scabbard scabious scallop scarab scarp schist scoria scrimshaw scriptorium scrivener scullery scythe
    sealskin seawall sedge semaphore sepulchre sequoia sextant shako shale shallop shamrock shard shearwater shoal
    shrike shuttle sickle siskin skein skerry skiff skylark sleigh slipway sloop sluice snapdragon snipe snowdrop
    snuffbox soapstone spandrel sphagnum spinel spinet spinnaker spire spirea spokeshave spoonbill springbok
    stalactite stalagmite stanchion starling sternpost stickleback stile stirrup stoat stockade stonechat stonecrop
    stopcock stork storksbill sundew surcoat tabard tableau tabor talisman tamarack tamarind tamarisk tanager
    tankard tannery tansy tapestry tarn tartan teasel telegraph telltale tern thatch theodolite thicket thimble
    thole thornbush thurible tiller timbrel timothy tincture toadflax toadstool toboggan tollgate tor torchlight
    toucan tourmaline townhall transept treacle treadle trebuchet trefoil trestle tribune triforium triptych trireme
    trivet troubadour trousseau tuffet tumbrel tundra tureen turnpike turnstone tussock twill tympanum umbel umbra
    underbrush undercroft vale valerian verbena verdigris vestibule vestry viaduct vial victualler viewfinder
    vihuela viper virelay vole vortex wagtail wainscot wallflower warbler wattle waxwing waybill wayside weathercock
    weathervane weir wellspring whaleboat wheatear wheelhouse whelk wherry whetstone whimbrel whinchat whippoorwill
    whitebeam whortleberry widgeon wigeon wildfowl winch windlass windmill windrow woad wolfsbane wolverine woodbine
    woodcut woodlark woodruff wormwood wryneck xebec yarrow zenith zinnia zircon
    """)

# Coined nouns ("copperwright") look like words and make a pool too large to learn by heart.
_HEADS = words("""
    alder ash barley bell birch bramble brass brine cedar chalk cinder copper crag dew dusk elm ember fern flint frost
    gale gorse heath iron juniper kelp larch loam marsh moss oak peat quill reed rowan rush slate thorn tin
    """)
_TAILS = words("""
    bourne cleft combe crest drift fall fold garth glint helm hollow howe keld latch lode loft mark mere moot ridge rill
    shaw sill spur stead stow strand sward thwaite turn ward weft weir wick wold wright yoke
    """)

COINED = tuple(head + tail for head in _HEADS for tail in _TAILS)
