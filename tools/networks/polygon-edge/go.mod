module mithridate/networks/polygon-edge

go 1.21

require github.com/0xPolygon/polygon-edge v1.3.3
